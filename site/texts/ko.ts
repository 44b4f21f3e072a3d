/**
 * All words of the page in Korean.
 */
import type { Texts } from './en.js';

/** The texts. */
export const ko: Texts = {
  title: '두 개의 탑: 브라우저에서 학습하는 AlexNet',
  headline: '두 개의 탑이 여기서 학습합니다',
  lead: '2012년, 여덟 층짜리 신경망이 천 가지 사물을 구별하는 법을 배우면서 컴퓨터가 보기 시작했습니다. 그래픽카드 한 장에는 너무 커서 두 개의 탑으로 나누어 카드마다 하나씩 올렸고, 두 탑은 몇몇 층에서만 서로 이야기합니다. 여기 같은 두 탑을 가진 작은 신경망이 있습니다. <b>학습</b>을 누르고 배우는 모습을 지켜보세요. 모든 일은 이 탭 안에서만 일어나며, 아무것도 컴퓨터 밖으로 나가지 않습니다.',
  skip: '학습으로 건너뛰기',
  theme: '밝게 / 어둡게',
  navLabel: '목차',
  navTrain: '학습',
  navSwitches: '스위치',
  navExplain: '작동 원리',
  navPhoto: '내 사진',
  navMachine: '이 컴퓨터',

  trainTitle: '두 탑 학습시키기',
  train: '학습',
  pause: '일시정지',
  goOn: '계속',
  wait: '잠시만요',
  trainAgain: '다시 학습',
  startAnew: '처음부터',
  seed: '시드',
  rate: '학습률',
  deviceLabel: '실행 장치',
  deviceCpu: '프로세서: 탑마다 스레드 하나',
  deviceOne: '프로세서: 스레드 하나',
  deviceGpu: '그래픽카드 (WebGPU)',
  imagesLabel: '이미지',
  imagesDrawn: '그려진 도형, 열 가지',
  ready: '준비되었습니다.',
  preparing: '이미지를 그리는 중: {share}',
  runsOn: '학습 중: {devices}',
  pausedText: '멈춤. 브라우저에 저장되어 있어서 페이지를 다시 열면 여기서 이어집니다. {devices}',
  doneText: '끝났습니다. {devices}',
  failed: '문제가 생겼습니다: {problem}',
  notIsolated:
    '이 페이지를 다른 페이지와 격리할 수 없어 두 번째 스레드를 쓸 수 없습니다. 두 탑이 스레드 하나를 함께 씁니다.',
  statError: '처음 보는 이미지에서 틀린 비율',
  statSeen: '본 이미지',
  statRate: '초당 이미지',
  statPeak: '이 컴퓨터 최고 성능 대비',
  statCrossed: '탑 사이를 건넌 양',

  kernelsTitle: '첫 번째 층이 찾는 것',
  kernelsText:
    '타일 하나하나는 첫 번째 층(conv1)이 이미지에서 찾는 무늬이며 한 변이 7픽셀입니다. 처음에는 잡음이지만, 1분이 지나기 전에 어떤 것은 경계선과 줄무늬가, 어떤 것은 색 얼룩이 됩니다.',
  kernelsOne: '첫 번째 탑의 커널',
  kernelsTwo: '두 번째 탑의 커널',
  towerOne: '탑 1',
  towerTwo: '탑 2',
  kernelColour: '탑 {tower}: 보통 커널에서 색이 차지하는 몫 {share} (잡음이면 67 %)',

  placementTitle: '두 탑, 그리고 그 사이를 건너는 것',
  placementText:
    '이미지는 두 탑에 모두 들어갑니다. 각 층은 자기 탑만 읽지만, 세 곳에서는 모든 것이 건너갑니다: <b class="crossed">빨간색</b>. 이것이 2012년의 묘수였습니다. 계산의 대부분은 대화가 전혀 필요 없습니다.',
  placementNote: '지금까지 건넌 바이트: 앞으로 가는 계산과 되돌아오는 기울기.',
  placementLabel: '두 탑에 놓인 여덟 층과 각 층에서 건너간 바이트',
  kernelsOfLayer: '커널 {n}개',
  unitsOfLayer: '유닛 {n}개',

  errorTitle: '틀린 답의 비율',
  lossTitle: '손실',
  curveTraining: '학습 중',
  curveValidation: '처음 보는 이미지',
  imagesSeen: '본 이미지 수',

  samplesTitle: '학습에 쓰지 않은 이미지',
  insteadOf: '{is}인데 {said}(이)라고 답함',
  drawTitle: '직접 그려 보세요',
  drawLabel: '그림판, 32×32픽셀: 손가락이나 마우스로 그리세요',
  drawHint: '별, 고리, 십자, 세모, 나선을 그려 보세요. 그리는 동안 두 탑이 대답합니다.',
  drawClear: '새 종이',
  drawExample: '예시 가져오기',
  fingerprintHint: '시드가 같으면 여기서나 Node에서나 가중치가 마지막 비트까지 같습니다.',
  fingerprint:
    '에폭 {epoch} 뒤 모든 가중치의 지문: {print}. 이 컴퓨터의 Node에서: npm run site:same -- {seed} {epoch}',

  classDisc: '원판',
  classRing: '고리',
  classSquare: '네모',
  classTriangle: '세모',
  classStar: '별',
  classCross: '십자',
  classStripes: '줄무늬',
  classChecks: '바둑판',
  classDots: '점무늬',
  classSpiral: '나선',

  foot: 'Tandem: TypeScript로 쓴 텐서 엔진이며, 이 페이지는 누구나 쓰는 바로 그 패키지로 만들었습니다. 논문: Krizhevsky, Sutskever, Hinton, “ImageNet Classification with Deep Convolutional Neural Networks”, 2012.',
};
